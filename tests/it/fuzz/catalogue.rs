//! What is asked for: one line per address.
//!
//! `{kind}` stands for an id. Ids are learnt from answers: `{entity}` is any `urn:vcloud:entity:...` that was
//! ever shown, `{@vApp}` what follows `/api/vApp/` in any link, `{~vApp}` the same as a bare UUID. Bodies are
//! learnt, too: what a `GET` of the address shows, or the first row of its list. Only where nothing of the
//! kind can be read, the line holds a sample of its own.

/// Methods, address, and a sample of a body; an empty one means that bodies are learnt.
pub(super) type Line = (&'static str, &'static str, &'static str);

const ALL: &str = "GET PUT POST DELETE";

#[rustfmt::skip] // One line each, however long.
pub(super) const CATALOGUE: &[Line] = &[
    // Sessions, tokens, versions.
    ("GET", "/api/versions", ""),
    ("GET", "/api/admin", ""),
    ("POST DELETE GET", "/api/sessions", ""),
    ("GET", "/api/session", ""),
    ("POST", "/oauth/provider/token", TOKEN_FORM),
    ("POST", "/oauth/tenant/acme/token", TOKEN_FORM),
    ("POST", "/oauth/provider/register", CLIENT),
    ("POST", "/oauth/tenant/acme/register", CLIENT),
    ("POST GET", "/cloudapi/1.0.0/sessions", ""),
    ("POST", "/cloudapi/1.0.0/sessions/provider", ""),
    ("GET", "/cloudapi/1.0.0/sessions/current", ""),
    ("GET DELETE", "/cloudapi/1.0.0/sessions/{session}", ""),
    ("GET POST", "/cloudapi/1.0.0/tokens", ""),
    ("GET DELETE", "/cloudapi/1.0.0/tokens/{token}", ""),
    // People and what they may.
    (ALL, "/cloudapi/1.0.0/users", ""),
    (ALL, "/cloudapi/1.0.0/users/{user}", ""),
    (ALL, "/cloudapi/1.0.0/roles", ""),
    (ALL, "/cloudapi/1.0.0/roles/{role}", ""),
    (ALL, "/cloudapi/1.0.0/roles/{role}/rights", ""),
    (ALL, "/cloudapi/1.0.0/globalRoles", ""),
    (ALL, "/cloudapi/1.0.0/globalRoles/{globalRole}", ""),
    (ALL, "/cloudapi/1.0.0/globalRoles/{globalRole}/rights", ""),
    (ALL, "/cloudapi/1.0.0/globalRoles/{globalRole}/tenants", ""),
    ("POST", "/cloudapi/1.0.0/globalRoles/{globalRole}/tenants/publishAll", ""),
    ("GET", "/cloudapi/1.0.0/rights", ""),
    ("GET", "/cloudapi/1.0.0/rights/{right}", ""),
    ("GET", "/cloudapi/1.0.0/rightsCategories", ""),
    (ALL, "/cloudapi/1.0.0/rightsBundles", ""),
    (ALL, "/cloudapi/1.0.0/rightsBundles/{rightsBundle}", ""),
    (ALL, "/cloudapi/1.0.0/rightsBundles/{rightsBundle}/rights", ""),
    (ALL, "/cloudapi/1.0.0/rightsBundles/{rightsBundle}/tenants", ""),
    (ALL, "/cloudapi/1.0.0/orgs", ""),
    (ALL, "/cloudapi/1.0.0/orgs/{org}", ""),
    ("GET DELETE PUT", "/cloudapi/1.0.0/serviceAccounts", ""),
    ("POST", "/cloudapi/1.0.0/deviceLookup", r#"{"userCode":"x"}"#),
    ("GET PUT POST", "/cloudapi/extensions/ui", ""),
    ("GET PUT POST", "/cloudapi/extensions/ui/{uiPlugin}", ""),
    // Runtime defined entities.
    (ALL, "/cloudapi/1.0.0/interfaces", ""),
    (ALL, "/cloudapi/1.0.0/interfaces/{interface}", ""),
    (ALL, "/cloudapi/1.0.0/interfaces/{interface}/behaviors", ""),
    (ALL, "/cloudapi/1.0.0/interfaces/{interface}/behaviors/{behavior-interface}", ""),
    (ALL, "/cloudapi/1.0.0/entityTypes", ""),
    (ALL, "/cloudapi/1.0.0/entityTypes/{type}", ENTITY),
    (ALL, "/cloudapi/1.0.0/entityTypes/{type}/behaviors", ""),
    (ALL, "/cloudapi/1.0.0/entityTypes/{type}/behaviors/{behavior-interface}", ""),
    (ALL, "/cloudapi/1.0.0/entityTypes/{type}/accessControls", GRANT),
    (ALL, "/cloudapi/1.0.0/entityTypes/{type}/behaviorAccessControls", ""),
    ("GET", "/cloudapi/1.0.0/entities/types/{type}", ""),
    ("GET", "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster", ""),
    ("GET", "/cloudapi/1.0.0/entities/types/vmware/capvcdCluster/1", ""),
    ("GET", "/cloudapi/1.0.0/entities/interfaces/{interface}", ""),
    ("GET", "/cloudapi/1.0.0/entities/interfaces/vmware/k8s/1.0.0", ""),
    (ALL, "/cloudapi/1.0.0/entities/{entity}", ""),
    ("GET", "/cloudapi/1.0.0/entities/{entity}/fullContents", ""),
    ("POST", "/cloudapi/1.0.0/entities/{entity}/resolve", ""),
    (ALL, "/cloudapi/1.0.0/entities/{entity}/accessControls", GRANT),
    (ALL, "/cloudapi/1.0.0/entities/{entity}/accessControls/{accessControl}", GRANT),
    (ALL, "/cloudapi/1.0.0/entities/{entity}/metadata", METADATA),
    ("POST", "/cloudapi/1.0.0/entities/{entity}/behaviors/{behavior-interface}/invocations", "{}"),
    ("GET", "/cloudapi/1.0.0/entity/{entity}", ""),
    ("GET", "/cloudapi/1.0.0/accessLevels", ""),
    // Policies and networking.
    ("GET", "/cloudapi/1.0.0/vdcs", ""),
    ("GET", "/cloudapi/2.0.0/vdcComputePolicies", ""),
    (ALL, "/cloudapi/1.0.0/vdcComputePolicies", ""),
    (ALL, "/cloudapi/2.0.0/vdcComputePolicies/{vdcComputePolicy}", ""),
    (ALL, "/cloudapi/1.0.0/orgVdcNetworks", ""),
    (ALL, "/cloudapi/1.0.0/orgVdcNetworks/{network}", ""),
    (ALL, "/cloudapi/1.0.0/orgVdcNetworks/{network}/allocatedIpAddresses", ""),
    (ALL, "/cloudapi/1.0.0/edgeGateways", ""),
    (ALL, "/cloudapi/1.0.0/edgeGateways/{gateway}", ""),
    (ALL, "/cloudapi/1.0.0/edgeGateways/{gateway}/usedIpAddresses", ""),
    (ALL, "/cloudapi/1.0.0/edgeGateways/{gateway}/loadBalancer", ""),
    (ALL, "/cloudapi/1.0.0/edgeGateways/{gateway}/loadBalancer/poolSummaries", ""),
    (ALL, "/cloudapi/1.0.0/edgeGateways/{gateway}/loadBalancer/virtualServiceSummaries", ""),
    (ALL, "/cloudapi/1.0.0/edgeGateways/{gateway}/nat/rules", NAT),
    (ALL, "/cloudapi/1.0.0/edgeGateways/{gateway}/nat/rules/{any}", NAT),
    (ALL, "/cloudapi/1.0.0/edgeGateways/{gateway}/firewall/rules", ""),
    (ALL, "/cloudapi/1.0.0/loadBalancer/pools", POOL),
    (ALL, "/cloudapi/1.0.0/loadBalancer/pools/{loadBalancerPool}", ""),
    (ALL, "/cloudapi/1.0.0/loadBalancer/virtualServices", SERVICE),
    (ALL, "/cloudapi/1.0.0/loadBalancer/virtualServices/{loadBalancerVirtualService}", ""),
    (ALL, "/cloudapi/1.0.0/loadBalancer/serviceEngineGroups", ""),
    (ALL, "/cloudapi/1.0.0/loadBalancer/serviceEngineGroups/assignments", ""),
    (ALL, "/cloudapi/1.0.0/applicationPortProfiles", PROFILE),
    (ALL, "/cloudapi/1.0.0/applicationPortProfiles/{applicationPortProfile}", ""),
    (ALL, "/cloudapi/1.0.0/ipSpaces", ""),
    (ALL, "/cloudapi/1.0.0/ipSpaces/summaries", ""),
    (ALL, "/cloudapi/1.0.0/ipSpaces/{ipSpace}", ""),
    (ALL, "/cloudapi/1.0.0/ipSpaces/{ipSpace}/ipAllocations", r#"{"type":"FLOATING_IP","quantity":1}"#),
    ("POST", "/cloudapi/1.0.0/ipSpaces/{ipSpace}/allocate", r#"{"type":"FLOATING_IP","quantity":1}"#),
    (ALL, "/cloudapi/1.0.0/ssl/certificateLibrary", ""),
    (ALL, "/cloudapi/1.0.0/ssl/certificateLibrary/{certificateLibraryItem}", ""),
    // Organizations, VDCs, catalogs.
    ("GET", "/api/query", ""),
    ("GET", "/api/org", ""),
    (ALL, "/api/org/{~org}", ""),
    (ALL, "/api/admin/org/{~org}", ""),
    (ALL, "/api/admin/org/{~org}/settings", ""),
    (ALL, "/api/vdc/{@vdc}", ""),
    (ALL, "/api/admin/vdc/{@vdc}", ""),
    (ALL, "/api/network/{@network}", ""),
    (ALL, "/api/vdcStorageProfile/{@vdcStorageProfile}", ""),
    (ALL, "/api/admin/vdcStorageProfile/{@vdcStorageProfile}", ""),
    (ALL, "/api/catalog/{@catalog}", ""),
    (ALL, "/api/catalogItem/{@catalogItem}", ""),
    (ALL, "/api/vAppTemplate/{@vAppTemplate}", ""),
    (ALL, "/api/media/{@media}", ""),
    (ALL, "/api/task/{@task}", ""),
    ("POST", "/api/task/{@task}/action/cancel", ""),
    // Machines.
    ("POST", "/api/vdc/{@vdc}/action/composeVApp", COMPOSE),
    ("POST", "/api/vdc/{@vdc}/action/instantiateVAppTemplate", INSTANTIATE),
    ("POST", "/api/vdc/{@vdc}/action/instantiateVmTemplate", INSTANTIATE),
    ("POST", "/api/vdc/{@vdc}/action/createVm", CREATE_VM),
    (ALL, "/api/vApp/{@vApp}", ""),
    ("POST", "/api/vApp/{@vApp}/action/recomposeVApp", RECOMPOSE),
    ("POST", "/api/vApp/{@vApp}/action/reconfigureVm", RECONFIGURE),
    ("POST", "/api/vApp/{@vApp}/action/deploy", DEPLOY),
    ("POST", "/api/vApp/{@vApp}/action/undeploy", UNDEPLOY),
    ("POST", "/api/vApp/{@vApp}/action/discardSuspendedState", ""),
    ("POST", "/api/vApp/{@vApp}/action/consolidate", ""),
    ("POST", "/api/vApp/{@vApp}/action/upgradeHardwareVersion", ""),
    ("POST", "/api/vApp/{@vApp}/power/action/powerOn", ""),
    ("POST", "/api/vApp/{@vApp}/power/action/powerOff", ""),
    ("POST", "/api/vApp/{@vApp}/power/action/shutdown", ""),
    ("POST", "/api/vApp/{@vApp}/power/action/suspend", ""),
    ("POST", "/api/vApp/{@vApp}/power/action/reset", ""),
    (ALL, "/api/vApp/{@vApp}/networkConfigSection", NETWORKS),
    (ALL, "/api/vApp/{@vApp}/networkConnectionSection", ""),
    (ALL, "/api/vApp/{@vApp}/guestCustomizationSection", ""),
    (ALL, "/api/vApp/{@vApp}/productSections", ""),
    (ALL, "/api/vApp/{@vApp}/leaseSettingsSection", ""),
    (ALL, "/api/vApp/{@vApp}/startupSection", ""),
    (ALL, "/api/vApp/{@vApp}/owner", ""),
    (ALL, "/api/vApp/{@vApp}/controlAccess", ""),
    (ALL, "/api/vApp/{@vApp}/virtualHardwareSection", ""),
    (ALL, "/api/vApp/{@vApp}/virtualHardwareSection/cpu", ""),
    (ALL, "/api/vApp/{@vApp}/virtualHardwareSection/memory", ""),
    (ALL, "/api/vApp/{@vApp}/virtualHardwareSection/disks", ""),
    (ALL, "/api/vApp/{@vApp}/vmCapabilities", ""),
    (ALL, "/api/vApp/{@vApp}/operatingSystemSection", ""),
    (ALL, "/api/vApp/{@vApp}/metadata", LEGACY_METADATA),
    (ALL, "/api/vApp/{@vApp}/metadata/key", LEGACY_VALUE),
    (ALL, "/api/vApp/{@vApp}/metadata/SYSTEM/key", LEGACY_VALUE),
    ("GET", "/api/vApp/{@vApp}/question", ""),
    ("POST", "/api/vApp/{@vApp}/media/action/insertMedia", ATTACH),
    ("POST", "/api/vApp/{@vApp}/disk/action/attach", ATTACH),
    ("POST", "/api/vApp/{@vApp}/disk/action/detach", ATTACH),
    ("POST", "/api/vdc/{@vdc}/disk", DISK),
    (ALL, "/api/disk/{@disk}", ""),
    (ALL, "/api/disk/{@disk}/attachedVms", ""),
    (ALL, "/api/disk/{@disk}/metadata", LEGACY_METADATA),
    (ALL, "/api/disk/{@disk}/metadata/key", LEGACY_VALUE),
    // What there is not.
    (ALL, "/", ""),
    (ALL, "/api", ""),
    (ALL, "/cloudapi/1.0.0", ""),
    (ALL, "/cloudapi/9.9.9/entities/{entity}", ""),
    (ALL, "/cloudapi/1.0.0/{any}/{any}/{any}", ""),
    (ALL, "/api/{any}/{any}/{any}", ""),
    (ALL, "/oauth/{any}/{any}", ""),
    (ALL, "/{any}", ""),
];

/// Types of the query service.
pub(super) const QUERY_TYPES: &[&str] = &[
    "organization",
    "orgVdc",
    "adminOrgVdc",
    "orgVdcNetwork",
    "orgVdcStorageProfile",
    "adminOrgVdcStorageProfile",
    "catalog",
    "catalogItem",
    "vAppTemplate",
    "adminVAppTemplate",
    "vm",
    "adminVM",
    "vApp",
    "adminVApp",
    "disk",
    "adminDisk",
    "media",
    "task",
    "adminTask",
    "edgeGateway",
    "user",
    "right",
    "nothing",
];

/// Keys of filters and orders.
pub(super) const KEYS: &[&str] = &[
    "id",
    "name",
    "href",
    "state",
    "status",
    "entityState",
    "entityType",
    "externalId",
    "creationDate",
    "org",
    "orgVdc",
    "orgRef.id",
    "ownerRef.id",
    "gatewayRef.id",
    "catalogName",
    "containerName",
    "isVAppTemplate",
    "entity.kind",
    "entity.status.vcdKe.state",
    "entity.spec.vcdKe.secure",
    "entity.metadata.name",
    "_context",
    "nonsense",
];

const TOKEN_FORM: &str = "grant_type=refresh_token&refresh_token={any}";
const CLIENT: &str = r#"{"client_name":"fuzz"}"#;
const ENTITY: &str = r#"{"entityType":"{type}","name":"new","entity":{"kind":"CAPVCDCluster","apiVersion":"capvcd.vmware.com/v1.1","metadata":{"name":"new"},"spec":{"capiYaml":"a: 1","vcdKe":{"secure":{"apiToken":"hush"}}}}}"#;
const GRANT: &str = r#"{"grantType":"MembershipAccessControlGrant","memberId":"{user}","accessLevelId":"urn:vcloud:accessLevel:ReadOnly"}"#;
const METADATA: &str = r#"{"keyValue":{"domain":"TENANT","key":"k","value":{"type":"StringEntry","value":"v"}},"persistent":false}"#;
const NAT: &str = r#"{"name":"n","ruleType":"DNAT","externalAddresses":"10.20.0.5","internalAddresses":"192.168.0.1","dnatExternalPort":"80","enabled":true}"#;
const POOL: &str = r#"{"name":"p","gatewayRef":{"id":"{gateway}"},"defaultPort":6443,"algorithm":"ROUND_ROBIN","members":[{"ipAddress":"10.1.1.1","port":6443,"enabled":true}],"healthMonitors":[{"type":"TCP"}]}"#;
const SERVICE: &str = r#"{"name":"s","gatewayRef":{"id":"{gateway}"},"loadBalancerPoolRef":{"id":"{loadBalancerPool}"},"serviceEngineGroupRef":{"id":"{serviceEngineGroup}"},"virtualIpAddress":"10.20.0.9","applicationProfile":{"type":"L4_TCP"},"servicePorts":[{"portStart":6443}],"enabled":true}"#;
const PROFILE: &str = r#"{"name":"a","scope":"TENANT","orgRef":{"id":"{org}"},"contextEntityId":"{vdc}","applicationPorts":[{"protocol":"TCP","destinationPorts":["80"]}]}"#;
const COMPOSE: &str = r#"<ComposeVAppParams xmlns="http://www.vmware.com/vcloud/v1.5" name="fuzz-{any}" deploy="false" powerOn="false"><Description>d</Description><SourcedItem><Source href="https://vcd.example/api/vAppTemplate/{@vAppTemplate}" name="vm"/></SourcedItem><AllEULAsAccepted>true</AllEULAsAccepted></ComposeVAppParams>"#;
const RECOMPOSE: &str = r#"<RecomposeVAppParams xmlns="http://www.vmware.com/vcloud/v1.5"><SourcedItem><Source href="https://vcd.example/api/vAppTemplate/{@vAppTemplate}" name="fuzz"/><VmGeneralParams><Name>fuzz</Name><NeedsCustomization>true</NeedsCustomization></VmGeneralParams><InstantiationParams><NetworkConnectionSection><NetworkConnection network="acme-net"><NetworkConnectionIndex>0</NetworkConnectionIndex><IsConnected>true</IsConnected><IpAddressAllocationMode>POOL</IpAddressAllocationMode></NetworkConnection></NetworkConnectionSection></InstantiationParams></SourcedItem><DeleteItem href="https://vcd.example/api/vApp/{@vApp}"/><AllEULAsAccepted>true</AllEULAsAccepted></RecomposeVAppParams>"#;
const INSTANTIATE: &str = r#"<InstantiateVAppTemplateParams xmlns="http://www.vmware.com/vcloud/v1.5" name="fuzz" deploy="false" powerOn="true"><Source href="https://vcd.example/api/vAppTemplate/{@vAppTemplate}"/><AllEULAsAccepted>true</AllEULAsAccepted></InstantiateVAppTemplateParams>"#;
const CREATE_VM: &str = r#"<CreateVmParams xmlns="http://www.vmware.com/vcloud/v1.5" name="fuzz" powerOn="false"><CreateVm name="fuzz"><VmSpecSection Modified="true"><OsType>ubuntu64Guest</OsType><NumCpus>2</NumCpus><MemoryResourceMb><Configured>2048</Configured></MemoryResourceMb></VmSpecSection></CreateVm></CreateVmParams>"#;
const RECONFIGURE: &str = r#"<Vm xmlns="http://www.vmware.com/vcloud/v1.5" name="x"><ovf:VirtualHardwareSection><ovf:Info>x</ovf:Info><vmw:ExtraConfig vmw:key="guestinfo.x" vmw:value="1" ovf:required="true"/></ovf:VirtualHardwareSection></Vm>"#;
const DEPLOY: &str =
    r#"<DeployVAppParams xmlns="http://www.vmware.com/vcloud/v1.5" powerOn="true"/>"#;
const UNDEPLOY: &str = r#"<UndeployVAppParams xmlns="http://www.vmware.com/vcloud/v1.5"><UndeployPowerAction>powerOff</UndeployPowerAction></UndeployVAppParams>"#;
const NETWORKS: &str = r#"<NetworkConfigSection xmlns="http://www.vmware.com/vcloud/v1.5" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><ovf:Info/><NetworkConfig networkName="acme-net"><Configuration><ParentNetwork href="https://vcd.example/api/network/{@network}"/><FenceMode>bridged</FenceMode></Configuration></NetworkConfig></NetworkConfigSection>"#;
const ATTACH: &str = r#"<DiskAttachOrDetachParams xmlns="http://www.vmware.com/vcloud/v1.5"><Disk href="https://vcd.example/api/disk/{@disk}"/></DiskAttachOrDetachParams>"#;
const DISK: &str = r#"<DiskCreateParams xmlns="http://www.vmware.com/vcloud/v1.5"><Disk name="fuzz" sizeMb="1024" busType="6" busSubType="VirtualSCSI"><Description>d</Description></Disk></DiskCreateParams>"#;
const LEGACY_METADATA: &str = r#"<Metadata xmlns="http://www.vmware.com/vcloud/v1.5" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><MetadataEntry><Key>k</Key><TypedValue xsi:type="MetadataStringValue"><Value>v</Value></TypedValue></MetadataEntry></Metadata>"#;
const LEGACY_VALUE: &str = r#"<MetadataValue xmlns="http://www.vmware.com/vcloud/v1.5" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><TypedValue xsi:type="MetadataNumberValue"><Value>7</Value></TypedValue></MetadataValue>"#;

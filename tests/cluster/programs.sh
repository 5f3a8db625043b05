# Each program of the cluster and its command line. Sourced by `up`, which starts them in their order, and by `program`,
# which starts one again.

# What a cluster is made of: `up` takes it for running when all of these do. The rest runs when asked for.
PROGRAMS="registry package-proxy etcd containerd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy volume-provisioner"
PROGRAMS_ON_REQUEST="registry-secure dockerd"

run_registry() { start registry "$BIN/registry" serve "$STATE/registry.yaml"; }
run_registry-secure() { start registry-secure "$BIN/registry" serve "$STATE/registry-secure.yaml"; }
run_package-proxy() { start package-proxy python3 "$HERE/package_proxy.py" $NODE_IP $PROXY_PORT; }

# --- control plane
run_etcd() {
	local clients=http://127.0.0.1:$ETCD_PORT peers=http://127.0.0.1:$((ETCD_PORT + 1))
	start etcd "$BIN/etcd" --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls $clients --advertise-client-urls $clients \
		--listen-peer-urls $peers --initial-advertise-peer-urls $peers --initial-cluster default=$peers
}
run_kube-apiserver() {
	start kube-apiserver "$BIN/kube-apiserver" \
		--etcd-servers http://127.0.0.1:$ETCD_PORT \
		--secure-port $API_PORT --advertise-address $NODE_IP --service-cluster-ip-range $SERVICE_CIDR \
		--authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
		--client-ca-file "$PKI/ca.crt" --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
		--kubelet-client-certificate "$PKI/apiserver-kubelet-client.crt" \
		--kubelet-client-key "$PKI/apiserver-kubelet-client.key" --kubelet-certificate-authority "$PKI/ca.crt" \
		--kubelet-preferred-address-types InternalIP \
		--service-account-issuer https://kubernetes.default.svc.cluster.local \
		--service-account-key-file "$PKI/service-accounts.pub" \
		--service-account-signing-key-file "$PKI/service-accounts.key" \
		--requestheader-client-ca-file "$PKI/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
		--requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
		--requestheader-extra-headers-prefix X-Remote-Extra- \
		--proxy-client-cert-file "$PKI/front-proxy-client.crt" --proxy-client-key-file "$PKI/front-proxy-client.key"
}
run_kube-controller-manager() {
	local conf=$PKI/kube-controller-manager.conf
	start kube-controller-manager "$BIN/kube-controller-manager" \
		--kubeconfig "$conf" --authentication-kubeconfig "$conf" --authorization-kubeconfig "$conf" \
		--use-service-account-credentials --bind-address 127.0.0.1 --leader-elect=false \
		--root-ca-file "$PKI/ca.crt" --service-account-private-key-file "$PKI/service-accounts.key" \
		--cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key"
}
run_kube-scheduler() {
	local conf=$PKI/kube-scheduler.conf
	start kube-scheduler "$BIN/kube-scheduler" --bind-address 127.0.0.1 --leader-elect=false \
		--kubeconfig "$conf" --authentication-kubeconfig "$conf" --authorization-kubeconfig "$conf"
}

# --- node
run_containerd() { start containerd "$BIN/containerd" --config "$STATE/containerd.toml" --log-level warn; }
run_kubelet() {
	start kubelet "$BIN/kubelet" --config "$STATE/kubelet.yaml" --kubeconfig "$PKI/kubelet.conf" \
		--root-dir "$STATE/kubelet" --hostname-override $NODE --node-ip $NODE_IP
}
run_kube-proxy() { start kube-proxy "$BIN/kube-proxy" --config "$STATE/kube-proxy.yaml"; }
run_volume-provisioner() {
	start volume-provisioner python3 "$HERE/volume_provisioner.py" "https://127.0.0.1:$API_PORT" "$PKI" "$STATE/volumes" $NODE
}

wait_for_api() { wait_for 60 "the API server" k get --raw /readyz; }
wait_for_node() { wait_for 120 "the node" k wait node/$NODE --for=condition=Ready --timeout=2s; }
# A node is taken for ready long after its kubelet has gone; a kubelet that has found its pods lists CoreDNS.
wait_for_kubelet() { wait_for 60 "the kubelet" kubelet_knows_its_pods; }
kubelet_knows_its_pods() { [[ $(k get --raw "/api/v1/nodes/$NODE/proxy/pods") == *coredns* ]]; }
